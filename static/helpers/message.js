// What the server cannot know of a message: who reads it, how names and times read there, which code can be copied.
import { fillNames, me, nameOf } from "./roster.js"
import { fillTimes, formatted } from "./times.js"
import { showReactions } from "./reactions.js"

export const seqOf = (message) => Number(message?.dataset.seq ?? 0)

export const idOf = (message) => message.id.replace("message_", "")

export const isMine = (message) => "mine" in message.dataset

// Its text on one line, as a quote or a list shows it; without any the names of its files.
export function said(message) {
  const words = message.querySelector(".prose").textContent.trim() || (message.querySelector(".files")?.dataset.names ?? "")
  return words.replace(/\s+/g, " ").slice(0, 140)
}

// Deleted lines and the server's own have nothing to act on.
export const isActive = (message) => message.dataset.kind !== "system" && !("deleted" in message.dataset)

// The delivery that this message answers, as the line below its question says; none once that is asked again.
export const deliveryOf = (message) =>
  document.querySelector(`.delivery[data-state="processed"][data-reply="${idOf(message)}"]`)?.id.replace("delivery_", "")

export function prepare(message, codeButton) {
  fillNames(message)
  fillTimes(message)
  const { author, at } = message.dataset
  const mine = author === `person:${document.body.dataset.me}`
  message.toggleAttribute("data-mine", mine)
  message.toggleAttribute("data-mention", !mine && mentionsMe(message))
  message.setAttribute("aria-label", `${nameOf(author)}, ${formatted(new Date(at), "time")}`)
  for (const box of message.querySelectorAll(".prose .code")) offerCopy(box, codeButton)
  for (const table of message.querySelectorAll(".prose table")) table.tabIndex = 0 // a wide one is scrolled by the keyboard
  showReactions(message)
  return message
}

function mentionsMe(message) {
  const handle = me()?.handle
  return Boolean(handle && message.querySelector(`.mention[data-mention="${CSS.escape(handle)}"]`))
}

function offerCopy(box, codeButton) {
  const label = box.dataset.lang ? `Code, ${box.dataset.lang}` : "Code"
  Object.assign(box.querySelector("pre"), { tabIndex: 0, role: "group", ariaLabel: label })
  if (!box.querySelector(":scope > button")) box.append(codeButton.content.cloneNode(true))
}
