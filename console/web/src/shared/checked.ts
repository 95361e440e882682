// What the server says of something before it is sent.

import { useEffect, useState } from "react";
import { ApiError } from "./api";
import { explain, useDuty } from "./context";

/** The server is asked when nothing was typed for so long. */
const PAUSE_MS = 350;

interface Checked<A> {
  answer: A | null;
  problem: string | null;
  /** It was asked, and the law does not refuse it. */
  maySend: boolean;
}

const UNKNOWN = { answer: null, problem: null, maySend: false };

/** Asks something of the server whenever the question changes and rests; an older answer never replaces a newer one. */
export function useChecked<T, A>(question: T | null, ask: (question: T) => Promise<A>): Checked<A> {
  const { t } = useDuty();
  const [known, setKnown] = useState<Checked<A> & { key: string }>({ key: "", ...UNKNOWN });
  const key = question === null ? "" : JSON.stringify(question);
  useEffect(() => {
    if (key === "") return;
    let gone = false;
    const timer = setTimeout(() => {
      ask(JSON.parse(key) as T).then(
        (answer) => gone || setKnown({ key, answer, problem: null, maySend: true }),
        (caught: unknown) => {
          if (gone) return;
          const error = caught instanceof ApiError ? caught : new ApiError(0, "unknown", String(caught));
          // What the law refuses is not sent; where nobody answered, sending is trying again.
          setKnown({ key, answer: null, problem: explain(t, error), maySend: error.status < 400 || error.status >= 500 });
        },
      );
    }, PAUSE_MS);
    return () => {
      gone = true;
      clearTimeout(timer);
    };
    // `ask` is made anew with every drawing and asks the same.
  }, [key, t]);
  return known.key === key ? known : UNKNOWN;
}
