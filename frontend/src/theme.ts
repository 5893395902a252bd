import { createTheme, defaultVariantColorsResolver, type MantineColorsTuple } from "@mantine/core";

/** Ink: what acts is drawn in the text's own colour; hues are left to states and to the best trial. */
const ink: MantineColorsTuple = [
  "#f3f6f6",
  "#e3e8e8",
  "#c7cfcf",
  "#a8b3b3",
  "#869394",
  "#667475",
  "#4c595a",
  "#343f40",
  "#1d2526",
  "#11171a",
];

/** Of a filled button: right in both schemes, as it is written with the surface's colour. */
const filledWith = (colour: string) => ({
  background: colour,
  hover: `color-mix(in srgb, ${colour} 85%, var(--surface))`,
  color: "var(--surface)",
  border: "1px solid transparent",
});

/** Mantine's own dark greys are neutral; these belong to tokens.css. Seat 6 is an input's ground, 7 the page's. */
const dark: MantineColorsTuple = [
  "#e6ecec",
  "#c3cdce",
  "#aab6b7",
  "#8a9798",
  "#3d4a4c",
  "#293234",
  "#1a2022",
  "#151a1c",
  "#0e1214",
  "#0a0d0e",
];

export const theme = createTheme({
  primaryColor: "ink",
  primaryShade: { light: 8, dark: 1 },
  colors: { ink, dark },
  variantColorResolver: (input) => {
    if (input.variant === "filled" && (input.color === undefined || input.color === "ink"))
      return filledWith("var(--ink)");
    if (input.variant === "filled" && input.color === "red") return filledWith("var(--bad)");
    return defaultVariantColorsResolver(input);
  },
  fontFamily: '"IBM Plex Sans Variable", system-ui, sans-serif',
  fontFamilyMonospace:
    'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: "0.75rem", sm: "0.8125rem", md: "0.875rem", lg: "1rem", xl: "1.25rem" },
  defaultRadius: 4,
  cursorType: "pointer",
  focusRing: "auto",
  respectReducedMotion: true,
  headings: { fontWeight: "600" },
  components: {
    // What a field is for stands under it, so that fields side by side keep to one line.
    InputWrapper: { defaultProps: { inputWrapperOrder: ["label", "input", "description", "error"] } },
    Button: { defaultProps: { size: "xs" } },
    ActionIcon: { defaultProps: { variant: "subtle" } },
    TextInput: { defaultProps: { size: "xs" } },
    Textarea: { defaultProps: { size: "xs" } },
    PasswordInput: { defaultProps: { size: "sm" } },
    NumberInput: { defaultProps: { size: "xs", hideControls: true } },
    Select: { defaultProps: { size: "xs" } },
    MultiSelect: { defaultProps: { size: "xs" } },
    TagsInput: { defaultProps: { size: "xs" } },
    SegmentedControl: { defaultProps: { size: "xs" } },
    Checkbox: { defaultProps: { size: "xs", color: "var(--ink)", iconColor: "var(--surface)" } },
    Switch: { defaultProps: { size: "xs", color: "var(--link)" } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.35 } } },
    Drawer: { defaultProps: { overlayProps: { backgroundOpacity: 0.2 } } },
    Tooltip: { defaultProps: { openDelay: 300, fz: "xs" } },
  },
});
