// Language and theme: what the device prefers, until somebody chooses.
import { store } from "./store.ts";

export type Language = "es" | "en";
export type Theme = "light" | "dark";
export type Settings = { language: Language; theme: Theme | null };

const KEPT = "relevo.settings";

function kept(): Settings {
  try {
    const found = JSON.parse(localStorage.getItem(KEPT) ?? "{}") as Partial<Settings>;
    return {
      language: found.language === "en" ? "en" : "es",
      theme: found.theme === "light" || found.theme === "dark" ? found.theme : null,
    };
  } catch {
    return { language: "es", theme: null };
  }
}

export const settings = store<Settings>(kept());

export function choose(change: Partial<Settings>): void {
  settings.set({ ...settings.get(), ...change });
  try {
    localStorage.setItem(KEPT, JSON.stringify(settings.get()));
  } catch {
    // without storage the choice lasts until the page is loaded again
  }
  apply();
}

/** Tell the document, whose style follows both. */
export function apply(): void {
  const { language, theme } = settings.get();
  document.documentElement.lang = language;
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

const DARK = "(prefers-color-scheme: dark)";

/** The theme that is seen. */
export function shownTheme(): Theme {
  return settings.get().theme ?? (matchMedia(DARK).matches ? "dark" : "light");
}

/** Tell when the device changes its mind. */
export function onDeviceTheme(tell: () => void): () => void {
  const query = matchMedia(DARK);
  query.addEventListener("change", tell);
  return () => query.removeEventListener("change", tell);
}
