import { Controller } from "@hotwired/stimulus"
import { visit } from "@hotwired/turbo"
import { somethingOpen, typingIn } from "../helpers/dom.js"

const CHORD_MS = 900

// Keys of every page: "?" lists them all, G and a letter goes somewhere.
export default class extends Controller {
  #chord = -Infinity

  press(event) {
    if (event.metaKey || event.ctrlKey || event.altKey || typingIn(event.target) || somethingOpen()) return
    if (event.key === "?") this.help()
    else if (event.key === "g") this.#chord = event.timeStamp
    else if (event.timeStamp - this.#chord < CHORD_MS) this.#go(event)
  }

  help() {
    const dialog = document.getElementById("keys")
    if (dialog && !dialog.open) dialog.showModal()
  }

  #go(event) {
    this.#chord = -Infinity
    const link = document.querySelector(`.sidebar [data-go="${CSS.escape(event.key)}"]`)
    if (!link) return
    event.preventDefault() // the same letter alone may mean something else
    visit(link.href)
  }
}
