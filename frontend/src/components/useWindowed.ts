import { type RefObject, useCallback, useEffect, useState } from "react";

export interface Window {
  first: number;
  last: number;
}

/** Which rows of a fixed height are in view (with some around), so that 10,000 rows cost as much as 40. */
export function useWindowed(
  box: RefObject<HTMLElement | null>,
  count: number,
  rowHeight: number,
  around = 8,
): Window {
  const measure = useCallback((): Window => {
    const element = box.current;
    const top = element?.scrollTop ?? 0;
    const height = element?.clientHeight || 600;
    return {
      first: Math.max(0, Math.floor(top / rowHeight) - around),
      last: Math.min(count, Math.ceil((top + height) / rowHeight) + around),
    };
  }, [box, count, rowHeight, around]);
  const [range, setRange] = useState<Window>(measure);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const update = () =>
      setRange((before) => {
        const next = measure();
        return next.first === before.first && next.last === before.last ? before : next;
      });
    update();
    element.addEventListener("scroll", update, { passive: true });
    const sized = new ResizeObserver(update);
    sized.observe(element);
    return () => {
      element.removeEventListener("scroll", update);
      sized.disconnect();
    };
  }, [box, measure]);
  return { first: Math.min(range.first, count), last: Math.min(Math.max(range.last, 0), count) };
}
