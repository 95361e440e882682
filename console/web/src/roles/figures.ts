// Numbers as the figures show them.

/** Seconds as minutes with one decimal, whole from ten on. */
export function minutes(seconds: number): string {
  const whole = seconds / 60;
  return whole < 10 ? whole.toFixed(1) : String(Math.round(whole));
}

/** The part of the largest in percent; what is not nothing is seen. */
export function share(count: number, most: number): number {
  if (count <= 0 || most <= 0) return 0;
  return Math.max(1, Math.min(100, (100 * count) / most));
}
