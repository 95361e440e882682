// What is said above a form that goes on with what was begun before.

import type { ReactNode } from "react";
import { useDuty } from "./context";
import type { Kept } from "./kept";

export function BegunNotice({ form, testid }: { form: Pick<Kept<object>, "again" | "clear">; testid: string }): ReactNode {
  const { t } = useDuty();
  if (!form.again) return null;
  return (
    <p className="notice" role="status" data-testid={`${testid}-begun`}>
      {t("kept.again")}{" "}
      <button type="button" className="small" onClick={form.clear} data-testid={`${testid}-clear`}>
        {t("kept.anew")}
      </button>
    </p>
  );
}
