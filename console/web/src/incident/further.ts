// Further events of an incident, in its course.

import type { Key } from "../shared/i18n";
import type { Action, IncidentDetail } from "../shared/types";

/** What a further event of an incident is: somebody who calls for help again says so each time. */
export function furtherOf(incident: Pick<IncidentDetail, "kind">, action: Pick<Action, "edge">): Key {
  if (action.edge === "end") return "account.ended";
  if (action.edge === "onset") return incident.kind === "sos" ? "account.called_again" : "account.again";
  return "action.event";
}
