import { defineConfig } from "vitest/config";

// Nothing waits by the clock; the limit only ends what hangs, also on a machine that is busy with other tests.
export default defineConfig({
  test: { include: ["tests/**/*.test.{ts,tsx}"], restoreMocks: true, testTimeout: 30_000 },
});
