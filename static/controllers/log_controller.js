import { Controller } from "@hotwired/stimulus"
import { connection } from "../socket.js"
import { parse } from "../helpers/dom.js"
import { seqOf } from "../helpers/message.js"

const SHOWN = 1000

// What happens in one run, as it happens. Who reads at the end stays there; of a long one the beginning makes room.
export default class extends Controller {
  static values = { run: String }

  connect() {
    connection.addEventListener("changes", this.#changes)
    this.element.scrollTop = this.element.scrollHeight
  }

  disconnect() { connection.removeEventListener("changes", this.#changes) }

  #changes = ({ detail: { items } }) => {
    const { scrollTop, clientHeight, scrollHeight } = this.element
    const atEnd = scrollTop + clientHeight > scrollHeight - 8
    for (const { table, row, html } of items) if (table === "run_events" && row?.run_id === this.runValue) this.#add(parse(html))
    while (this.element.children.length > SHOWN) this.element.firstElementChild.remove()
    if (atEnd) this.element.scrollTop = this.element.scrollHeight
  }

  #add(line) {
    if (document.getElementById(line.id)) return
    const before = [...this.element.children].findLast((one) => seqOf(one) < seqOf(line))
    if (before) before.after(line)
    else this.element.prepend(line)
  }
}
