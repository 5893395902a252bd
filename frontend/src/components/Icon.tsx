/** The few signs that the pages use, drawn on one 16-pixel grid with one stroke. */
const paths = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  check: "M3 8.5l3.2 3.2L13 5",
  search: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 0 1 0-9zM10.5 10.5L14 14",
  down: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  up: "M4 10l4-4 4 4",
  stop: "M4 4h8v8H4z",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3l7.5 5L5 13z",
  limits: "M2 5h5M11 5h3M9 3v4M2 11h2M8 11h6M6 9v4",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  upload: "M8 11V3M4.5 6.5L8 3l3.5 3.5M3 13h10",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  sun: "M8 5a3 3 0 1 1 0 6a3 3 0 0 1 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13 9.8A5.5 5.5 0 0 1 6.2 3a5.5 5.5 0 1 0 6.8 6.8z",
  screen: "M2 3h12v8H2zM6 14h4M8 11v3",
  person: "M8 2.5a2.7 2.7 0 1 1 0 5.4a2.7 2.7 0 0 1 0-5.4zM3 14c.3-3 2.4-4.4 5-4.4s4.7 1.4 5 4.4",
  compare: "M3 13V7M7 13V3M11 13V9M3 13h11",
  external: "M9 3h4v4M13 3L7.5 8.5M11 9.5V13H3V5h3.5",
  warning: "M8 2.5l6 10.5H2zM8 6.5v3M8 11.3v.2",
  star: "M8 2l1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5z",
  link: "M7 9l2-2M6.5 5.5l1.6-1.6a2.8 2.8 0 0 1 4 4L10.5 9.5M9.5 10.5l-1.6 1.6a2.8 2.8 0 0 1-4-4L5.5 6.5",
  flask: "M6 2h4M6.8 2v4L3.5 13h9L9.2 6V2M5 10h6",
  back: "M13 8H3M7 4L3 8l4 4",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      aria-hidden="true"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.4"
      strokeLinecap="round"
      strokeLinejoin="round"
    >
      <path d={paths[name]} />
    </svg>
  );
}
