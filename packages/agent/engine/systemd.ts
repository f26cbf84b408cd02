/** What systemd is told (sd_notify(3)); without it there is nobody to tell. */
import { native } from "@holdfast/linux/load.ts";

export function notifySystemd(message: string): void {
  const path = process.env["NOTIFY_SOCKET"];
  if (path !== undefined && path !== "") native.notify(path, message);
}

/** Type=notify-reload wants to know that a reload began, and when; READY=1 ends it. */
export function notifyReloading(): void {
  notifySystemd(`RELOADING=1\nMONOTONIC_USEC=${Math.round(native.monotonic() / 1000)}`);
}
