import { ActionIcon, Tooltip } from "@mantine/core";
import { useState } from "react";
import { Icon } from "./Icon";

export function CopyButton({ text, label }: { text: () => string; label: string }) {
  const [copied, setCopied] = useState<boolean | null>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text());
      setCopied(true);
    } catch {
      // Without https a browser may forbid the clipboard.
      setCopied(false);
    }
    setTimeout(() => setCopied(null), 1600);
  };
  const words = copied === null ? label : copied ? "Copied" : "The browser forbids copying here";
  return (
    <Tooltip label={words}>
      <ActionIcon color="gray" aria-label={label} onClick={copy}>
        <Icon name={copied ? "check" : "copy"} />
      </ActionIcon>
    </Tooltip>
  );
}
