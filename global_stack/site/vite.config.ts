// Builds the page into .build/site: one folder for CloudFront and for the lab's edge.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../../.build/site",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"], // what knows light-dark()
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: addresses
    modulePreload: { polyfill: false },
  },
});
