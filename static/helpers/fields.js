// What is wrong with a field is said beneath it, before its hint, until the form is sent again.
import { sentence } from "./dom.js"

export function mark(field, words) {
  const line = Object.assign(document.createElement("p"), { className: "error", id: `${field.id}-wrong`, textContent: sentence(words) })
  field.after(line)
  field.setAttribute("aria-invalid", "true")
  field.dataset.hint = field.getAttribute("aria-describedby") ?? ""
  field.setAttribute("aria-describedby", `${line.id} ${field.dataset.hint}`.trim())
}

export function clearMarks(form) {
  for (const field of form.querySelectorAll("[aria-invalid]")) {
    field.nextElementSibling.remove()
    field.removeAttribute("aria-invalid")
    if (field.dataset.hint) field.setAttribute("aria-describedby", field.dataset.hint)
    else field.removeAttribute("aria-describedby")
  }
}
