import { Controller } from "@hotwired/stimulus"
import { fillNames, me, readRoster } from "../helpers/roster.js"
import { fillTimes } from "../helpers/times.js"

const OLDER_MS = 30_000

// Fills names, avatars and local times wherever they appear, on the first paint and in all that is added later.
export default class extends Controller {
  #clock
  #observer = new MutationObserver((records) => this.#added(records))

  initialize() { readRoster() }

  connect() {
    this.#fill(this.element)
    this.#observer.observe(this.element, { childList: true, subtree: true })
    this.#clock = setInterval(() => fillTimes(this.element), OLDER_MS)
  }

  disconnect() {
    this.#observer.disconnect()
    clearInterval(this.#clock)
  }

  // A page is made for a role: with another one it is another page.
  reread() {
    readRoster()
    if (me() && !this.element.classList.contains(`role-${me().role}`)) return location.reload()
    this.#fill(this.element)
  }

  #added(records) {
    for (const { addedNodes } of records) {
      for (const node of addedNodes) if (node instanceof Element) this.#fill(node)
    }
  }

  #fill(root) {
    fillNames(root)
    fillTimes(root)
  }
}
