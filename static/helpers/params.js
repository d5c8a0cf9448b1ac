// What a form says of an action's parameters. A field that nobody touched sends back exactly what was there.
const lines = (text) => text.replace(/\r\n?/g, "\n")

// The parameters, or null after wrong(field, words) was called for each field that cannot be read.
export function paramsOf(form, wrong) {
  const params = JSON.parse(form.dataset.params)
  let fine = true
  for (const field of form.querySelectorAll("[data-kind]")) {
    if (!touched(field)) continue
    try {
      params[field.name.replace("params.", "")] = valueOf(field)
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error
      wrong(field, 'must be JSON, as {"name": "value"}')
      fine = false
    }
  }
  return fine ? params : null
}

function touched(field) {
  if (field.options) return !field.options[field.selectedIndex].defaultSelected
  return field.value !== lines(field.defaultValue)
}

function valueOf({ value, dataset: { kind, optional } }) {
  if (kind === "map") return JSON.parse(value || "{}")
  if (kind === "number") return Number(value)
  return optional !== undefined && !value ? null : value
}
