// Labels that would lie on others are left out; the more important stay.

export interface Label {
  /** Left, top, width, height, in pixels. */
  box: [number, number, number, number];
  /** Smaller is more important. */
  rank: number;
}

function overlap(a: Label["box"], b: Label["box"]): boolean {
  return a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];
}

/** Says of each label whether it is shown. */
export function declutter(labels: Label[]): boolean[] {
  const shown = labels.map(() => false);
  const placed: Label["box"][] = [];
  const order = labels.map((label, at) => ({ label, at })).sort((a, b) => a.label.rank - b.label.rank || a.at - b.at);
  for (const { label, at } of order) {
    if (placed.some((box) => overlap(box, label.box))) continue;
    placed.push(label.box);
    shown[at] = true;
  }
  return shown;
}
