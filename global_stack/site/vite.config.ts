// Builds the pages into .build/site: one folder for CloudFront and for the lab's edge.
import { defineConfig, type Plugin } from "vite";

const WRITTEN_IN = /url\((["']?)data:image\/svg\+xml;charset=utf-8,(.+?)\1\)/gs;

/** Pictures that a package writes into its style become files: the Content-Security-Policy allows no data: addresses. */
const picturesAsFiles: Plugin = {
  name: "pictures-as-files",
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type !== "asset" || !file.fileName.endsWith(".css")) continue;
      file.source = String(file.source).replace(WRITTEN_IN, (_found, _quote, text: string) => {
        const source = decodeURIComponent(text.replaceAll('\\"', '"'));
        return `url(/${this.getFileName(this.emitFile({ type: "asset", name: "picture.svg", source }))})`;
      });
    }
  },
};

export default defineConfig({
  plugins: [picturesAsFiles],
  build: {
    outDir: "../../.build/site",
    emptyOutDir: true,
    target: ["chrome123", "firefox121", "safari17.5"], // what knows light-dark()
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: addresses
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000, // Swagger UI, on the reference alone
    rolldownOptions: { input: ["index.html", "reference.html"] },
  },
});
