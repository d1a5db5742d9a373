// The page's languages. Spanish is what is written first; the compiler holds every other one against it.
import { english } from "./english.ts";
import type { Language } from "./settings.ts";
import { spanish } from "./spanish.ts";

export type Words = typeof spanish;

export const WORDS: Record<Language, Words> = { es: spanish, en: english };
