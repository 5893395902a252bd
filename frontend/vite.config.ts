import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const server = process.env.HPT_URL ?? "http://127.0.0.1:8000";

/** Writes .br and .gz beside every text asset, once at build time, so that the server never compresses while it serves. */
function precompress(): Plugin {
  return {
    name: "precompress",
    apply: "build",
    closeBundle() {
      const root = join(import.meta.dirname, "dist");
      for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const content = readFileSync(path);
        if (content.length < 1024) continue;
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params }));
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), precompress()],
  build: { target: "es2022", chunkSizeWarningLimit: 1300, modulePreload: { polyfill: false } },
  // Host and Origin stay those of the browser, or the server would refuse them as another site's.
  server: {
    proxy: {
      "/api": { target: server, changeOrigin: false },
      "/ws": { target: server.replace("http", "ws"), ws: true, changeOrigin: false },
    },
  },
});
