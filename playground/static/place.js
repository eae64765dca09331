// Who and where, in the address: #user=...&channel=... can be kept, shared between windows and gone back to.

export function readPlace() {
  const parts = new URLSearchParams(location.hash.slice(1));
  return { user: parts.get("user"), channel: parts.get("channel") };
}

export function writePlace({ user, channel }) {
  const parts = new URLSearchParams({ user, channel });
  history.replaceState(null, "", `#${parts}`);
}
