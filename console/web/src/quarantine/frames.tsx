// Frames that nobody could read. Their bytes may say where somebody was: they are read for a purpose and under a case number, and taken
// along with the line that explains them.

import { useState, type ReactNode } from "react";
import { WhyForm } from "../access/why";
import { api, type ApiError } from "../shared/api";
import { explain, useDuty } from "../shared/context";
import type { FrameBytes } from "../shared/types";
import { copy, Time } from "../shared/ui";
import { forget, keepWhy, whyOf, type Why } from "../shared/why";
import { decodeLine, isCut, type Frame } from "./bytes";

// Hexadecimal digits shown of a frame; all that were kept are copied.
const SHOWN = 64;
// One reason for all frames of the page, until the window is closed.
const ABOUT = "quarantine";

export function FramesTable({ frames, mayRead }: { frames: readonly Frame[]; mayRead: boolean }): ReactNode {
  const { t } = useDuty();
  const [why, setWhy] = useState(whyOf(ABOUT));
  const say = (said: Why): void => {
    keepWhy(ABOUT, said);
    setWhy(said);
  };
  const again = (): void => {
    forget(ABOUT);
    setWhy(null);
  };
  return (
    <>
      {mayRead && why === null && frames.some((frame) => frame.kept) && (
        <WhyForm
          first={{ purpose: "maintenance", caseNumber: "" }}
          title={t("quarantine.why")}
          button={t("quarantine.why_button")}
          onSay={say}
        />
      )}
      {mayRead && why !== null && (
        <p className="muted fine" data-testid="frames-why">
          {t("quarantine.said", { case: why.caseNumber })}{" "}
          <button type="button" className="small" onClick={again}>
            {t("quarantine.why_again")}
          </button>
        </p>
      )}
      <div className="scroll panel flush">
        <table className="list" data-testid="frames">
          <thead>
            <tr>
              <th scope="col">{t("quarantine.at")}</th>
              <th scope="col">{t("quarantine.protocol")}</th>
              <th scope="col">{t("quarantine.identity")}</th>
              <th scope="col">{t("quarantine.reason")}</th>
              <th scope="col">{t("quarantine.raw")}</th>
              <th scope="col">{t("quarantine.from")}</th>
            </tr>
          </thead>
          <tbody>
            {frames.map((frame) => (
              <FrameRow key={frame.frame_id} frame={frame} why={mayRead ? why : null} />
            ))}
            {frames.length === 0 && (
              <tr>
                <td colSpan={6} className="muted">
                  {t("quarantine.none")}
                </td>
              </tr>
            )}
          </tbody>
        </table>
      </div>
    </>
  );
}

function FrameRow({ frame, why }: { frame: Frame; why: Why | null }): ReactNode {
  const { t } = useDuty();
  const [bytes, setBytes] = useState<FrameBytes | null>(null);
  // Given for a reason: without it they are not on the page any more.
  const shown = why === null ? null : bytes;
  const detail = shown?.detail ?? frame.detail;
  return (
    <tr>
      <td>
        <Time at={frame.received_at} />
      </td>
      <td>{frame.protocol}</td>
      <td className="mono">
        {frame.identity || "–"}
        {!frame.identity && frame.claimed && <span className="muted fine block">{t("quarantine.claimed", { identity: frame.claimed })}</span>}
      </td>
      <td>
        {frame.reason}
        {detail && <span className="muted fine block">{detail}</span>}
      </td>
      <td>
        {frame.header && shown === null && (
          <>
            <code className="raw">{frame.header}…</code>{" "}
          </>
        )}
        {frame.kept ? <Bytes frame={frame} bytes={shown} why={why} onBytes={setBytes} /> : <span className="muted fine">{t("quarantine.not_kept")}</span>}
      </td>
      <td className="mono">{frame.remote_address}</td>
    </tr>
  );
}

function Bytes(props: { frame: Frame; bytes: FrameBytes | null; why: Why | null; onBytes: (bytes: FrameBytes) => void }): ReactNode {
  const { t, say } = useDuty();
  const { frame, bytes, why, onBytes } = props;
  const [busy, setBusy] = useState(false);
  const take = (text: string): void => {
    void copy(text).then((done) => say(t(done ? "quarantine.copied" : "quarantine.not_copied")));
  };
  const count = <span className="muted fine">{t("quarantine.bytes", { count: frame.raw_length })}</span>;
  if (bytes === null) {
    const read = async (reason: Why): Promise<void> => {
      setBusy(true);
      try {
        onBytes(await api.frame(frame.frame_id, reason));
      } catch (error) {
        say(explain(t, error as ApiError));
      } finally {
        setBusy(false);
      }
    };
    return (
      <>
        {count}
        {why !== null && (
          <span className="block">
            <button type="button" className="small" disabled={busy} onClick={() => void read(why)} data-testid="show-bytes">
              {t("quarantine.show")}
            </button>
          </span>
        )}
      </>
    );
  }
  const line = decodeLine(frame.protocol, bytes.raw);
  return (
    <>
      <code className="raw" data-testid="bytes">
        {bytes.raw.slice(0, SHOWN)}
        {bytes.raw.length > SHOWN && "…"}
      </code>{" "}
      {count}
      {isCut(frame, bytes) && <span className="muted fine block">{t("quarantine.cut")}</span>}
      <span className="block">
        <button type="button" className="small" onClick={() => take(bytes.raw)}>
          {t("quarantine.copy_bytes")}
        </button>{" "}
        <button type="button" className="small" title={line} onClick={() => take(line)}>
          {t("quarantine.copy_decode")}
        </button>
      </span>
    </>
  );
}
