// Small things about elements that several controllers need.
import { morphElements } from "@hotwired/turbo"
import { fillNames } from "./roster.js"
import { fillTimes } from "./times.js"

export function parse(html) {
  const template = document.createElement("template")
  template.innerHTML = html
  return template.content.firstElementChild
}

// Turns `current` into `fresh` and keeps what only the browser knows: what is open, what has focus, what stands inside.
// Names and times are filled in before: an element that stays, and is another person's name now, is none that was added.
export function morph(current, fresh) {
  fillNames(fresh)
  fillTimes(fresh)
  for (const open of current.querySelectorAll("[id] > details[open]")) {
    fresh.querySelector(`#${CSS.escape(open.parentElement.id)} > details`)?.setAttribute("open", "")
  }
  morphElements(current, fresh)
}

// What the server says of a field begins small; where it stands alone it is a sentence.
export const sentence = (words) => `${words.charAt(0).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`

// The controller of another behaviour on the same element.
export const sibling = (controller, name) => controller.application.getControllerForElementAndIdentifier(controller.element, name)

export function debounce(action, wait) {
  let timer
  const later = (...args) => {
    clearTimeout(timer)
    timer = setTimeout(() => action(...args), wait)
  }
  later.cancel = () => clearTimeout(timer)
  return later
}

// Runs soon after the first call and once for all that came meanwhile, however many there are.
export function throttle(action, wait) {
  let timer = null
  const soon = () => {
    timer ??= setTimeout(() => {
      timer = null
      action()
    }, wait)
  }
  soon.cancel = () => {
    clearTimeout(timer)
    timer = null
  }
  return soon
}

export const typingIn = (target) => target instanceof Element && target.closest("input, textarea, select, [contenteditable]")

// Of several conversations on a page, keys mean the one that was entered last.
export const isMeant = (element) => "current" in (element.closest(".pane")?.dataset ?? { current: "" })

export const somethingOpen = () => document.querySelector(":popover-open, dialog[open]")

export async function copyText(text) {
  if (navigator.clipboard) await navigator.clipboard.writeText(text)
  else copyByHand(text)
  toast("Copied")
}

// Without https there is no clipboard object; a selected text field still can be copied.
function copyByHand(text) {
  const field = Object.assign(document.createElement("textarea"), { value: text, className: "sr-only" })
  const host = document.querySelector("dialog[open]") ?? document.body
  host.append(field)
  field.select()
  document.execCommand("copy")
  field.remove()
}

export const toast = (words) => window.dispatchEvent(new CustomEvent("toast:show", { detail: { words } }))
