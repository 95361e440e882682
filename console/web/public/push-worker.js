// Shows messages of the server while the page is closed. They hold no name and no place; a click opens the incident, after a log-in.

self.addEventListener("push", (event) => {
  let message = {};
  try {
    message = event.data ? event.data.json() : {};
  } catch {
    // Something that is not ours: say that there is something, no more.
  }
  const text = (value, otherwise) => (typeof value === "string" ? value : otherwise);
  const shown = self.registration.showNotification(text(message.title, "Homeward"), {
    body: text(message.body, ""),
    tag: text(message.tag, "homeward"),
    data: { url: text(message.url, "/") },
    requireInteraction: true,
  });
  event.waitUntil(shown);
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url, self.location.origin);
  if (url.origin !== self.location.origin) return;
  const open = async () => {
    const pages = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    for (const page of pages) {
      if (page.url === url.href) return page.focus();
    }
    return self.clients.openWindow(url.href);
  };
  event.waitUntil(open());
});
