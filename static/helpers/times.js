// Times are stored in UTC and shown in the reader's own zone.
const STYLES = {
  time: { hour: "2-digit", minute: "2-digit" },
  exact: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  date: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  full: { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  day: { weekday: "long", day: "numeric", month: "long" },
}
const formats = Object.fromEntries(Object.entries(STYLES).map(([name, style]) => [name, new Intl.DateTimeFormat("en-GB", style)]))
const DAY = 24 * 60 * 60 * 1000

export const formatted = (date, style) => formats[style].format(date)

export function fillTimes(root) {
  for (const element of root.querySelectorAll("time[datetime][data-style]")) {
    const date = new Date(element.dateTime)
    if (Number.isNaN(date.getTime())) continue
    const text = formatted(date, element.dataset.style)
    if (element.textContent !== text) element.textContent = text
    if (!element.title) element.title = formatted(date, "full")
  }
}

export const dayKey = (date) => `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`

export function dayName(date, now = new Date()) {
  const name = formatted(date, "day").replace(",", "")
  if (dayKey(date) === dayKey(now)) return `Today, ${name}`
  if (dayKey(date) === dayKey(new Date(now.getTime() - DAY))) return `Yesterday, ${name}`
  return date.getFullYear() === now.getFullYear() ? name : `${name} ${date.getFullYear()}`
}

export function ago(date, now = new Date()) {
  const seconds = Math.max(0, Math.round((now - date) / 1000))
  if (seconds < 5) return "just now"
  if (seconds < 60) return `${seconds} seconds ago`
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`
  return formatted(date, seconds < 86400 ? "time" : "date")
}
