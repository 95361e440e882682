// What a person wears and wore: fitting, swapping, faults, removing; and what was not kept for want of a legal basis.

import { useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty, useResource } from "../shared/context";
import { ChoiceField, DeedForm, TextField } from "../shared/form";
import { word } from "../shared/i18n";
import { FAULTS, REMOVALS, REPAIRS, SWAPS, type DeviceDeed, type PersonDevices } from "../shared/types";
import { Failure, Loading, Time } from "../shared/ui";

type Deed = DeviceDeed["deed"];

function Change(props: { deed: Deed; person: string; worn: string; devices: PersonDevices; done: (devices: PersonDevices) => void; cancel: () => void }): ReactNode {
  const { t } = useDuty();
  const { deed, devices, worn } = props;
  const reasons = { fit: [], swap: SWAPS, remove: REMOVALS, fault: FAULTS, repair: REPAIRS }[deed];
  const groups = { fit: "removal", swap: "removal", remove: "removal", fault: "fault", repair: "repair" } as const;
  const [next, setNext] = useState(devices.free[0]?.device_id ?? "");
  const [reason, setReason] = useState<string>(reasons[0] ?? "");
  const [detail, setDetail] = useState("");
  const body = (): DeviceDeed => {
    switch (deed) {
      case "fit":
        return { deed, device_id: next };
      case "swap":
        return { deed, device_id: worn, new_device_id: next, reason };
      case "remove":
        return { deed, device_id: worn, reason };
      case "fault":
        return { deed, device_id: worn, reason, detail: detail.trim() };
      case "repair":
        return { deed, device_id: worn, outcome: reason, detail: detail.trim() };
    }
  };
  const takes = deed === "fit" || deed === "swap";
  return (
    <DeedForm
      testid="device-form"
      label={t(NAMES[deed])}
      button={t(NAMES[deed])}
      primary
      ready={!takes || next !== ""}
      onCancel={props.cancel}
      deed={async () => props.done(await api.changeDevice(props.person, body()))}
    >
      {takes && devices.free.length === 0 && <p className="notice">{t("device.none_free")}</p>}
      {takes && devices.free.length > 0 && (
        <ChoiceField
          label={t("device.which")}
          value={next}
          set={setNext}
          choices={devices.free.map((each) => [each.device_id, [each.device, each.model].filter(Boolean).join(" · ")])}
          focus
        />
      )}
      {reasons.length > 0 && (
        <ChoiceField label={t("casework.reason")} value={reason} set={setReason} choices={reasons.map((each) => [each, word(t, groups[deed], each)])} focus={!takes} />
      )}
      {(deed === "fault" || deed === "repair") && <TextField label={t("device.detail")} value={detail} set={setDetail} longest={1_000} />}
    </DeedForm>
  );
}

const NAMES = { fit: "device.fit", swap: "device.swap", remove: "device.remove", fault: "device.fault", repair: "device.repair" } as const;

export function DevicePanel({ person, changed }: { person: string; changed: () => void }): ReactNode {
  const { t, say } = useDuty();
  const { value: devices, error, reload, set } = useResource(`devices ${person}`, (signal) => api.devices(person, signal));
  const [deed, setDeed] = useState<Deed | null>(null);
  const now = devices?.worn.filter((each) => each.removed_at === null) ?? [];
  const [current] = now;
  const offered: Deed[] = current ? ["swap", "fault", "remove"] : ["fit"];
  if (current && devices?.faults.some((fault) => fault.ended_at === null && fault.device === `${current.protocol}:${current.identity}`)) {
    offered.splice(2, 0, "repair");
  }
  return (
    <section className="panel" aria-labelledby="devices-title" data-testid="devices">
      <h2 id="devices-title">{t("casework.devices")}</h2>
      {!devices && (error ? <Failure error={error} retry={reload} /> : <Loading />)}
      {devices && (
        <>
          {devices.silent.map((device) => (
            <p key={device.assignment_id} className="problem" role="status">
              {t(device.never_heard ? "casework.never_heard" : "casework.silent", { device: device.device })} <Time at={device.silent_since} show="absolute" />
            </p>
          ))}
          {devices.worn.length === 0 && <p className="muted">{t("person.no_device")}</p>}
          <ul className="open-incidents">
            {devices.worn.map((each) => (
              <li key={each.assignment_id}>
                <strong className="mono">
                  {each.protocol}:{each.identity}
                </strong>{" "}
                <Time at={each.fitted_at} show="absolute" /> – {each.removed_at ? <Time at={each.removed_at} show="absolute" /> : t("casework.worn_now")}
                <p className="muted fine">
                  {[each.fitted_by, each.removal_reason && word(t, "removal", each.removal_reason), each.removed_by].filter(Boolean).join(" · ")}
                </p>
              </li>
            ))}
          </ul>
          <div className="deed-buttons" role="group" aria-label={t("device.title")}>
            {offered.map((each) => (
              <button key={each} type="button" aria-expanded={deed === each} onClick={() => setDeed(deed === each ? null : each)} data-testid={`device-${each}`}>
                {t(NAMES[each])}
              </button>
            ))}
          </div>
          {deed !== null && offered.includes(deed) && (
            <Change
              key={deed}
              deed={deed}
              person={person}
              worn={current?.device_id ?? ""}
              devices={devices}
              cancel={() => setDeed(null)}
              done={(newer) => {
                setDeed(null);
                set(newer);
                say(t("device.done"));
                changed();
              }}
            />
          )}
          {devices.faults.length > 0 && <h3>{t("casework.faults")}</h3>}
          <ul className="open-incidents">
            {devices.faults.map((fault) => (
              <li key={fault.fault_id}>
                <strong>{word(t, "fault", fault.reason)}</strong> <span className="mono">{fault.device}</span> <Time at={fault.faulty_since} show="absolute" /> –{" "}
                {fault.ended_at ? <Time at={fault.ended_at} show="absolute" /> : <strong className="ongoing">{t("casework.fault_open")}</strong>}
                <p className="muted fine">
                  {[fault.detail, fault.reported_by, fault.outcome && word(t, "repair", fault.outcome), fault.repair].filter(Boolean).join(" · ")}
                </p>
              </li>
            ))}
          </ul>
          {devices.refused.length > 0 && (
            <>
              <h3>{t("device.refused")}</h3>
              <ul className="open-incidents" data-testid="refused">
                {devices.refused.map((each) => (
                  <li key={each.stage + each.reason + each.since}>
                    <strong className="ongoing">{word(t, "basis_reason", each.reason)}</strong>{" "}
                    {t("device.refused_count", { reports: each.reports, stage: word(t, "basis_stage", each.stage) })}{" "}
                    <span className="muted">
                      <Time at={each.since} show="absolute" /> – <Time at={each.until} show="absolute" />
                    </span>
                  </li>
                ))}
              </ul>
            </>
          )}
          {devices.told.length > 0 && (
            <ul className="muted fine">
              {devices.told.map((each) => (
                <li key={each.told_at + each.word}>
                  <Time at={each.told_at} show="absolute" /> {word(t, "stop_word", each.word)}
                  {each.outcome !== "" && ` · ${word(t, "stop_outcome", each.outcome)}`}
                </li>
              ))}
            </ul>
          )}
        </>
      )}
    </section>
  );
}
