// A button by which this browser takes messages also while the page is closed (Web Push).

import { useEffect, useState, type ReactNode } from "react";
import { api } from "../shared/api";
import { useDuty } from "../shared/context";
import { keyBytes } from "./key";

const WORKER = "/push-worker.js";

type Where = "unknown" | "off" | "on" | "busy";

export function PushButton(): ReactNode {
  const { t, say } = useDuty();
  const [key, setKey] = useState<string | null>(null);
  const [where, setWhere] = useState<Where>("unknown");
  useEffect(() => {
    if (!("serviceWorker" in navigator) || !("PushManager" in window)) return;
    let over = false;
    const look = async (): Promise<void> => {
      const state = await api.push();
      if (over || state.public_key === null) return;
      setKey(state.public_key);
      const registration = await navigator.serviceWorker.getRegistration(WORKER);
      const subscription = await registration?.pushManager.getSubscription();
      if (!over) setWhere(subscription ? "on" : "off");
    };
    look().catch(() => undefined);
    return () => {
      over = true;
    };
  }, []);
  if (key === null || where === "unknown") return null;

  const turnOn = async (): Promise<void> => {
    const registration = await navigator.serviceWorker.register(WORKER);
    await navigator.serviceWorker.ready;
    const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: keyBytes(key) });
    try {
      await api.subscribe(subscription.toJSON());
    } catch (error) {
      await subscription.unsubscribe();
      throw error;
    }
  };
  const turnOff = async (): Promise<void> => {
    const registration = await navigator.serviceWorker.getRegistration(WORKER);
    const subscription = await registration?.pushManager.getSubscription();
    if (!subscription) return;
    await api.unsubscribe(subscription.endpoint);
    await subscription.unsubscribe();
  };
  const press = (): void => {
    const on = where === "on";
    setWhere("busy");
    (on ? turnOff() : turnOn()).then(
      () => {
        setWhere(on ? "off" : "on");
        say(on ? t("push.now_off") : t("push.now_on"));
      },
      () => {
        setWhere(on ? "on" : "off");
        say(t("push.refused"));
      },
    );
  };
  return (
    <button type="button" className="quiet" aria-pressed={where === "on"} disabled={where === "busy"} title={t("push.about")} onClick={press}>
      {where === "on" ? t("push.on") : t("push.off")}
    </button>
  );
}
