import { Button } from "@mantine/core";
import type { Page } from "../api/types";

interface Endless {
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
}

/** The way to the next page of a list. */
export function MoreRows({ of }: { of: Endless }) {
  if (!of.hasNextPage) return null;
  return (
    <div style={{ padding: "0.5rem 1rem" }}>
      <Button
        variant="subtle"
        color="gray"
        loading={of.isFetchingNextPage}
        onClick={() => of.fetchNextPage()}
      >
        Show more
      </Button>
    </div>
  );
}

export const rowsOf = <T,>(data: { pages: Page<T>[] } | undefined): T[] =>
  data?.pages.flatMap((page) => page.items) ?? [];
