// Frames that nobody could read: the bytes to take along, and the line that explains them.

import { type ReactNode } from "react";
import { useDuty } from "../shared/context";
import { copy, Time } from "../shared/ui";
import { decodeLine, isCut, type Frame } from "./bytes";

// Hexadecimal digits shown of a frame; all that came with the page are copied.
const SHOWN = 64;

export function FramesTable({ frames }: { frames: readonly Frame[] }): ReactNode {
  const { t } = useDuty();
  return (
    <div className="scroll panel flush">
      <table className="list">
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
            <tr key={frame.frame_id}>
              <td>
                <Time at={frame.received_at} />
              </td>
              <td>{frame.protocol}</td>
              <td className="mono">{frame.identity || "–"}</td>
              <td>
                {frame.reason}
                {frame.detail && <span className="muted fine block">{frame.detail}</span>}
              </td>
              <td>
                <Bytes frame={frame} />
              </td>
              <td className="mono">{frame.remote_address}</td>
            </tr>
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
  );
}

function Bytes({ frame }: { frame: Frame }): ReactNode {
  const { t, say } = useDuty();
  const take = (text: string) => {
    void copy(text).then((done) => say(t(done ? "quarantine.copied" : "quarantine.not_copied")));
  };
  if (!frame.raw) return <span className="muted fine">{t("quarantine.not_kept")}</span>;
  return (
    <>
      <code className="raw">
        {frame.raw.slice(0, SHOWN)}
        {frame.raw.length > SHOWN && "…"}
      </code>{" "}
      <span className="muted fine">{t("quarantine.bytes", { count: frame.raw_length })}</span>
      {isCut(frame) && <span className="muted fine block">{t("quarantine.cut")}</span>}
      <span className="block">
        <button type="button" className="small" onClick={() => take(frame.raw)}>
          {t("quarantine.copy_bytes")}
        </button>{" "}
        <button type="button" className="small" title={decodeLine(frame)} onClick={() => take(decodeLine(frame))}>
          {t("quarantine.copy_decode")}
        </button>
      </span>
    </>
  );
}
