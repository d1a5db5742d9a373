// Numbers, money and moments as people here write them. Times are Bogota's, wherever the screen is.
import type { Language } from "./settings.ts";

const LOCALES: Record<Language, string> = { es: "es-CO", en: "en-US" };
const ZONE = "America/Bogota";

/** In Spanish `$` means pesos; who reads English may think of other dollars. */
function pesos(language: Language): Intl.NumberFormatOptions {
  return { style: "currency", currency: "COP", currencyDisplay: language === "es" ? "narrowSymbol" : "code" };
}

/** Pesos without cents: `$ 1.250.000`. For showing only; sums are the API's. */
export function money(amount: string | number, language: Language): string {
  return new Intl.NumberFormat(LOCALES[language], { ...pesos(language), maximumFractionDigits: 0 }).format(Number(amount));
}

/** Short enough for an axis: `$ 1,3 M`. */
export function shortMoney(amount: number, language: Language): string {
  return new Intl.NumberFormat(LOCALES[language], {
    style: "currency", currency: "COP", currencyDisplay: "narrowSymbol", // an axis has no room for the code
    notation: "compact", maximumFractionDigits: 1, minimumFractionDigits: 0,
  }).format(amount);
}

export function count(amount: number, language: Language): string {
  return new Intl.NumberFormat(LOCALES[language]).format(amount);
}

/** `+12%`, always with its sign. */
export function change(ratio: number, language: Language): string {
  return new Intl.NumberFormat(LOCALES[language], {
    style: "percent", signDisplay: "exceptZero", maximumFractionDigits: Math.abs(ratio) < 0.1 ? 1 : 0,
  }).format(ratio);
}

export function clock(moment: string, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], { timeZone: ZONE, timeStyle: "short" }).format(new Date(moment));
}

export function dayAndClock(moment: string, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], {
    timeZone: ZONE, day: "numeric", month: "short", hour: "numeric", minute: "2-digit", second: "2-digit",
  }).format(new Date(moment));
}

/** A calendar day in full: `sábado, 21 de noviembre`. */
export function dayName(day: string, language: Language): string {
  return new Intl.DateTimeFormat(LOCALES[language], {
    timeZone: "UTC", weekday: "long", day: "numeric", month: "long",
  }).format(new Date(`${day}T12:00:00Z`));
}

export function dayBefore(day: string): string {
  const date = new Date(`${day}T12:00:00Z`);
  date.setUTCDate(date.getUTCDate() - 1);
  return date.toISOString().slice(0, 10);
}

/** The hour of the day in Bogota, 0 to 23. */
export function hourInBogota(moment: string): number {
  return Number(new Intl.DateTimeFormat("en-GB", { timeZone: ZONE, hour: "2-digit" }).format(new Date(moment)));
}

/** A span as people say it: `2 s`, `4 min`, `3 h`, `2 d`. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86_400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86_400)} d`;
}

/** Short spans to a tenth of a second: `0,4 s`. */
export function shortSpan(seconds: number, language: Language): string {
  if (seconds >= 10) return span(seconds);
  return `${new Intl.NumberFormat(LOCALES[language], { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(seconds)} s`;
}

const PLACES: Record<string, string> = { "us-east-1": "Virginia", "us-east-2": "Ohio", "us-west-2": "Oregon" };

/** A Region by the name of its place, which people remember. */
export function place(region: string): string {
  return PLACES[region] ?? region;
}
