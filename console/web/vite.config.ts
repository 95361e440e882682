import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` passes the API on to a console that runs on this address.
const server = process.env["HOMEWARD_CONSOLE"] ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react()],
  build: {
    target: "es2022",
    // MapLibre is one module of a megabyte; it is loaded with the first map only.
    chunkSizeWarningLimit: 1300,
    // A data: URL would be refused by the content security policy.
    assetsInlineLimit: 0,
  },
  server: { proxy: { "/api": server, "/basemap.pmtiles": server } },
  test: { include: ["src/**/*.test.{ts,tsx}"] },
});
