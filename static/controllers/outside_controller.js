import { Controller } from "@hotwired/stimulus"

const WRITTEN = ":is(.prose, .output) a[href]"
const PARTS = /^(https?:\/\/(?:[^/@]*@)?)([^/]+)(.*)$/

// Before a link in what people and agents wrote leads to another server: says to which, whatever its words say.
export default class extends Controller {
  static targets = ["part", "open"]

  // A middle click, too, and any key held; a right click has the browser's own menu.
  ask(event) {
    const link = event.target.closest(WRITTEN)
    const parts = link && event.button < 2 && link.origin !== location.origin && PARTS.exec(link.href)
    if (!parts) return
    event.preventDefault()
    this.partTargets.forEach((place, at) => { place.textContent = parts[at + 1] })
    Object.assign(this.openTarget, { href: link.href, textContent: `Open ${parts[2]}` })
    link.focus({ preventScroll: true }) // a dialog gives the focus back to what had it
    this.element.showModal()
  }

  close() { this.element.close() }
}
