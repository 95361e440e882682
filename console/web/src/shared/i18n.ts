// Words of the interface. The catalogues are complete in both languages; a test compares their keys.

import en from "../../i18n/en.json";
import zhCN from "../../i18n/zh-CN.json";

export type Locale = "en" | "zh-CN";
export type Key = keyof typeof en;
export type Values = Record<string, string | number>;
export type Translate = (key: Key, values?: Values) => string;

const CATALOGUES: Record<Locale, Record<Key, string>> = { en, "zh-CN": zhCN };

export function isKey(text: string): text is Key {
  return text in en;
}

export function isLocale(text: string | null | undefined): text is Locale {
  return text === "en" || text === "zh-CN";
}

/** Puts values in the place of `{name}`. */
export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

export function translator(locale: Locale): Translate {
  const catalogue = CATALOGUES[locale];
  return (key, values) => (values ? fill(catalogue[key], values) : catalogue[key]);
}

/** A word of the server (a kind, a state): its translation, or the word itself where a newer server knows more. */
export function word(t: Translate, group: string, name: string): string {
  const key = `${group}.${name}`;
  return key in en ? t(key as Key) : name.replaceAll("_", " ");
}

/** What to use before anybody has logged in. */
export function firstLocale(): Locale {
  const stored = localStorage.getItem("homeward.locale");
  if (isLocale(stored)) return stored;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh-CN" : "en";
}
