import { Controller } from "@hotwired/stimulus"
import "@github/text-expander-element"
import { COMMANDS } from "../helpers/commands.js"
import { allAgents, allPeople } from "../helpers/roster.js"

const MOST = 8
const EVERYBODY = { value: "all", kind: "all", name: "all", about: "Every agent of the project" }

// The list that opens on "@" and "/". Focus stays in the text; the element moves aria-activedescendant.
export default class extends Controller {
  offer({ detail: { key, text, provide } }) {
    const rows = key === "@" ? this.#names(text) : this.#commands(text)
    provide(Promise.resolve({ matched: rows.length > 0, fragment: this.#list(key, rows) }))
  }

  // A text box of several lines may point into a list, but may not be called a combobox.
  opened({ currentTarget }) {
    const field = currentTarget.querySelector("textarea")
    queueMicrotask(() => {
      field.removeAttribute("role")
      field.removeAttribute("aria-expanded")
    })
  }

  take({ detail }) { detail.value = detail.item.dataset.value }

  #names(text) {
    const wanted = text.toLowerCase()
    const all = [
      ...allAgents().map(({ key, name, title, status }) => ({ value: key, kind: "agent", name, about: [title, status === "offline" && "offline, gets it later"].filter(Boolean).join(" · ") })),
      ...allPeople().map(({ id, handle, name, avatar }) => ({ value: handle, kind: "person", id, name, avatar, about: `@${handle}` })),
    ]
    const fits = ({ value, name }) => value?.startsWith(wanted) || name.toLowerCase().split(" ").some((word) => word.startsWith(wanted))
    return [...all.filter(fits).slice(0, MOST), ...[EVERYBODY].filter(fits)]
  }

  // A command stands at the start of a message and nowhere else.
  #commands(text) {
    const field = this.element.querySelector("textarea")
    if (field.value.slice(0, field.selectionStart) !== `/${text}`) return []
    return COMMANDS.filter(([name]) => name.startsWith(`/${text.toLowerCase()}`)).map(([name, about]) => ({ value: name, kind: "command", name, about }))
  }

  #list(key, rows) {
    const list = Object.assign(document.createElement("ul"), { className: "menu", role: "listbox", ariaLabel: key === "@" ? "People and agents" : "Commands" })
    list.append(...rows.map((row, at) => this.#option(row, at)))
    return list
  }

  #option({ value, kind, id, name, about }, at) {
    const option = Object.assign(document.createElement("li"), { role: "option", id: `suggestion-${at}` })
    option.dataset.value = kind === "command" ? value : `@${value}`
    if (kind === "agent" || kind === "person") {
      const avatar = Object.assign(document.createElement("span"), { className: "avatar", ariaHidden: "true" })
      Object.assign(avatar.dataset, { kind, fill: "initials", ...(kind === "agent" ? { agent: value } : { user: id }) })
      option.append(avatar)
    }
    const label = document.createElement(kind === "command" ? "code" : "span")
    label.textContent = kind === "all" ? "@all" : name
    option.append(label, Object.assign(document.createElement("small"), { textContent: about }))
    return option
  }
}
