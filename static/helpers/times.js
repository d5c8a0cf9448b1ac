// Times are stored in UTC and shown in the reader's own zone.
const STYLES = {
  time: { hour: "2-digit", minute: "2-digit" },
  exact: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
  date: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  full: { weekday: "long", day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" },
  planned: { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit", timeZoneName: "long" },
  day: { weekday: "long", day: "numeric", month: "long" },
  before: { day: "numeric", month: "short" },
}
const formats = Object.fromEntries(Object.entries(STYLES).map(([name, style]) => [name, new Intl.DateTimeFormat("en-GB", style)]))
const DAY = 24 * 60 * 60 * 1000

export const formatted = (date, style) => formats[style].format(date)

export function fillTimes(root) {
  for (const element of root.querySelectorAll("time[datetime][data-style]")) {
    const date = new Date(element.dateTime)
    if (Number.isNaN(date.getTime())) continue
    const { style } = element.dataset
    const text = style === "ago" ? age(date) : style === "short" ? short(date) : style === "until" ? distance(date) : formatted(date, style)
    if (element.textContent !== text) element.textContent = text
    if (!element.title) element.title = formatted(date, "full")
  }
}

// In a narrow place: the clock today, the day before that.
export function short(date, now = new Date()) {
  return formatted(date, dayKey(date) === dayKey(now) ? "time" : "before") + (date.getFullYear() === now.getFullYear() ? "" : ` ${date.getFullYear()}`)
}

// How long ago, in one unit: a thing that waits gets older, whatever the clock says.
export function age(date, now = new Date()) {
  const minutes = Math.max(0, Math.floor((now - date) / 60_000))
  if (minutes < 1) return "just now"
  if (minutes < 60) return `${minutes} min ago`
  const [count, unit] = minutes < 1440 ? [Math.floor(minutes / 60), "hour"] : [Math.floor(minutes / 1440), "day"]
  return `${count} ${unit}${count === 1 ? "" : "s"} ago`
}

// How long until then, in the two units that matter.
export function distance(date, now = new Date()) {
  const minutes = Math.round((date - now) / 60_000)
  if (minutes < 0) return "past"
  if (minutes < 1) return "in less than a minute"
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60]
  const said = days ? [days && `${days} d`, hours && `${hours} h`] : [hours && `${hours} h`, rest && `${rest} min`]
  return `in ${said.filter(Boolean).join(" ")}`
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
