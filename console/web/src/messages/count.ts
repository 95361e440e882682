// How many receivers were not reached, for the navigation.

import { useEffect, useState } from "react";
import { api } from "../shared/api";

const RENEW_MS = 30_000;

/** The number of messages given up whose receiver was not reached otherwise; null while it is not known, or where nobody asks. */
export function useUnreached(asks: boolean): number | null {
  const [count, setCount] = useState<number | null>(null);
  useEffect(() => {
    if (!asks) return;
    let over = false;
    const look = (): void => {
      api.undelivered().then(
        (list) => !over && setCount(list.unreached),
        () => undefined,
      );
    };
    look();
    const timer = setInterval(look, RENEW_MS);
    return () => {
      over = true;
      clearInterval(timer);
    };
  }, [asks]);
  return count;
}
