import { Controller } from "@hotwired/stimulus"
import { waiting } from "../helpers/waiting.js"

// One card: what the server cannot know of it. Whether I put it aside, whether it is still what I saw, and whether I
// had all of it before my eyes: nobody approves before each parameter that scrolls was scrolled to its end.
export default class extends Controller {
  static targets = ["long", "allows"]

  #seen
  #of
  #read = new WeakSet()
  #sizes = new ResizeObserver(() => this.read())

  connect() {
    waiting.addEventListener("change", this.#fold)
    this.#seen = this.#of = this.element.dataset.digest
    this.#fold()
    this.gate()
  }

  disconnect() { waiting.removeEventListener("change", this.#fold) }

  // It says its size at once, and again when it has one or another: in a line that was opened, on a turned phone.
  longTargetConnected(area) { this.#sizes.observe(area) }

  longTargetDisconnected(area) { this.#sizes.unobserve(area) }

  read() {
    for (const area of this.longTargets) if (endIsShown(area)) this.#read.add(area)
    this.gate()
  }

  gate() {
    for (const area of this.longTargets) area.toggleAttribute("data-unread", !this.#read.has(area))
    const shut = document.documentElement.dataset.mode === "offline" || !this.longTargets.every((area) => this.#read.has(area))
    for (const button of this.allowsTargets) button.disabled = shut
  }

  // A comparison that was fetched stays while it is of the same version.
  keep(event) {
    const { target, detail } = event
    if (target.matches("turbo-frame") && detail.newElement?.id === target.id) event.preventDefault()
  }

  morphed({ target }) {
    if (target !== this.element) return
    this.#fold()
    if (this.#of !== this.element.dataset.digest) this.#startAgain()
    this.gate()
    this.element.toggleAttribute("data-changed", this.#waits && this.element.dataset.digest !== this.#seen)
  }

  review() {
    this.#seen = this.element.dataset.digest
    this.element.removeAttribute("data-changed")
    this.element.focus()
  }

  // Of another version nothing was read, though the places that showed the one before are still at their ends.
  #startAgain() {
    this.#of = this.element.dataset.digest
    this.#read = new WeakSet()
    for (const area of this.longTargets) area.scrollTop = 0
    this.read()
  }

  get #waits() { return "waits" in this.element.dataset }

  #fold = () => {
    this.element.toggleAttribute("data-folded", this.#waits && waiting.folded(this.element.id.replace("proposal_", "")))
  }
}

// What takes no place is not shown at all; a pixel is what rounding may hide.
const endIsShown = ({ clientHeight, scrollTop, scrollHeight }) => clientHeight > 0 && scrollTop + clientHeight > scrollHeight - 2
