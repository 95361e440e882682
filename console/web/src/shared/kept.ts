// What was begun and not sent: kept until it is sent or put aside, the window is closed or the user logs out. A session that ends in the
// middle of a form, a reload or the back button lose nothing; another user of this browser finds nothing.

import { useCallback, useEffect, useRef, useState } from "react";
import { useDuty } from "./context";

export const PREFIX = "homeward.begun.";

function stored<T>(key: string): T | null {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? "null") as T | null;
  } catch {
    return null;
  }
}

export interface Kept<T> {
  value: T;
  set: (changes: Partial<T>) => void;
  /** It was begun before this form was opened. */
  again: boolean;
  /** Begins anew. */
  clear: () => void;
  /** It was sent: nothing of it is kept. Also before the form is gone. */
  forget: () => void;
}

/** The fields of a form. `about` says which form it is, and of whom. */
export function useKept<T extends object>(about: string, first: () => T): Kept<T> {
  const { session } = useDuty();
  const key = `${PREFIX}${session.user.user_id}.${about}`;
  const [begun] = useState(() => stored<T>(key));
  const [again, setAgain] = useState(begun !== null);
  const [value, setValue] = useState<T>(() => ({ ...first(), ...begun }));
  const begin = useRef(first);
  begin.current = first;
  const touched = useRef(false);
  useEffect(() => {
    if (!touched.current) return;
    try {
      sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      // The browser keeps nothing for us: then it is not kept.
    }
  }, [key, value]);
  const set = useCallback((changes: Partial<T>) => {
    touched.current = true;
    setValue((old) => ({ ...old, ...changes }));
  }, []);
  const forget = useCallback(() => {
    touched.current = false;
    sessionStorage.removeItem(key);
  }, [key]);
  const clear = useCallback(() => {
    forget();
    setAgain(false);
    setValue(begin.current());
  }, [forget]);
  return { value, set, again, clear, forget };
}

/** One field that is kept. It is written with the change, so that what was sent can be forgotten while its form is still there. */
export function useKeptState<T>(about: string, first: T): [T, (value: T) => void] {
  const { session } = useDuty();
  const key = `${PREFIX}${session.user.user_id}.${about}`;
  const [value, setValue] = useState<T>(() => stored<T>(key) ?? first);
  const beginning = useRef(first);
  const set = useCallback(
    (next: T) => {
      setValue(next);
      try {
        if (next === beginning.current) sessionStorage.removeItem(key);
        else sessionStorage.setItem(key, JSON.stringify(next));
      } catch {
        // The browser keeps nothing for us: then it is not kept.
      }
    },
    [key],
  );
  return [value, set];
}

/** Forgets the fields that begin so: they were sent. */
export function forgetFields(user: string, about: string): void {
  const from = `${PREFIX}${user}.${about}.`;
  for (const each of Object.keys(sessionStorage)) if (each.startsWith(from)) sessionStorage.removeItem(each);
}

/** True when a form of the user has something that was not sent. */
export function isBegun(user: string, about: string): boolean {
  return sessionStorage.getItem(`${PREFIX}${user}.${about}`) !== null;
}

/** Puts a form aside without opening it. */
export function putAside(user: string, about: string): void {
  sessionStorage.removeItem(`${PREFIX}${user}.${about}`);
}

/** Forgets everything: who signs in next has not begun it. */
export function forgetBegun(): void {
  for (const each of Object.keys(sessionStorage)) if (each.startsWith(PREFIX)) sessionStorage.removeItem(each);
}
