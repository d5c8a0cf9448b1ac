// The browser's own notifications, for mentions and for what waits for a decision. Asked for by a button, never at load.
import { visit } from "@hotwired/turbo"
import { connection } from "../socket.js"
import { muted } from "./muted.js"
import { agentName, nameOf } from "./roster.js"
import { waiting } from "./waiting.js"

const KEY = "notify"
const RISKS = { low: "Low risk", med: "Medium risk", high: "High risk" }

class Notifications extends EventTarget {
  constructor() {
    super()
    connection.addEventListener("changes", ({ detail: { items } }) => this.#mentions(items))
    waiting.addEventListener("change", ({ detail: { arrived } }) => this.#waiting(arrived))
  }

  // on, off, refused by the browser, or missing in it.
  get state() {
    if (!("Notification" in window)) return "missing"
    if (Notification.permission === "denied") return "refused"
    return Notification.permission === "granted" && localStorage.getItem(KEY) === "on" ? "on" : "off"
  }

  async toggle() {
    if (this.state === "on") localStorage.removeItem(KEY)
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(KEY, "on")
    this.dispatchEvent(new Event("change"))
  }

  #mentions(items) {
    const me = document.body.dataset.me
    const project = document.querySelector('meta[name="project"]')?.content
    for (const { table, op, row } of items) {
      const said = table === "project_chat_messages" && op === "insert" && row?.project_id === project && row.user_id !== me
      if (!said || !row.addressed?.includes(me) || muted.has(row.thread_id)) continue
      const author = row.author_kind === "agent" ? `agent:${row.author_key}` : `person:${row.user_id}`
      this.#show(row.id, `${nameOf(author)} mentions you`, row.content.slice(0, 140) || (row.metadata.files ?? []).map(({ name }) => name).join(", "), `chat?around=${row.seq}#message_${row.id}`)
    }
  }

  #waiting(arrived) {
    for (const { id, headline, risk_level, proposed_by, paused_at, waits_since, number, title } of arrived) {
      if (paused_at) this.#show(id, "Agents paused", "They kept answering each other. They wait for you.", "chat")
      else if (waits_since) this.#show(id, `Task ${number} waits for you`, title, `tasks/${number}`)
      else this.#show(id, `${agentName(proposed_by)} asks: ${headline}`, `${RISKS[risk_level]}. Waits for you.`, `needs-you#proposal_${id}`)
    }
  }

  // Who looks at the page sees it there. The tag lets several tabs tell it once.
  #show(tag, title, body, path) {
    if (this.state !== "on" || (document.visibilityState === "visible" && document.hasFocus())) return
    const address = `/${location.pathname.split("/")[1]}/${path}`
    const notification = notify(title, { tag, body })
    if (notification) {
      notification.onclick = () => {
        window.focus()
        notification.close()
        visit(address)
      }
    }
  }
}

// Some phones have the name and not the thing: they only let a service worker notify.
function notify(title, options) {
  try {
    return new Notification(title, options)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    return null
  }
}

export const notifications = new Notifications()
