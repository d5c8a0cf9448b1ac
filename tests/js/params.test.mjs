// What a form says of an action's parameters.
import assert from "node:assert/strict"
import { test } from "node:test"
import { paramsOf } from "../../static/helpers/params.js"

const field = (name, kind, defaultValue, value = defaultValue, more = {}) => ({
  name: `params.${name}`, defaultValue, value, dataset: { kind, ...more },
})
const form = (params, ...fields) => ({ dataset: { params: JSON.stringify(params) }, querySelectorAll: () => fields })
const fine = () => assert.fail("nothing is wrong")

test("a field that nobody touched sends back what was there, line ends and all", () => {
  const params = { body: "a\r\nb", name: "x" }
  const untouched = field("body", "text", "a\r\nb", "a\nb")
  assert.deepEqual(paramsOf(form(params, untouched, field("name", "line", "x", "y")), fine), { ...params, name: "y" })
})

test("numbers, maps and what may be missing become what they are", () => {
  const params = { count: 1, headers: { a: "b" }, base: "x" }
  const fields = [field("count", "number", "1", "20"), field("headers", "map", "{}", '{"c": "d"}'), field("base", "line", "x", "", { optional: "" })]
  assert.deepEqual(paramsOf(form(params, ...fields), fine), { count: 20, headers: { c: "d" }, base: null })
})

test("a choice counts when another one was made", () => {
  const chosen = (selectedIndex) => ({ ...field("method", "choice"), value: ["GET", "POST"][selectedIndex], selectedIndex, options: [{ defaultSelected: true }, { defaultSelected: false }] })
  assert.deepEqual(paramsOf(form({ method: "GET" }, chosen(0)), fine), { method: "GET" })
  assert.deepEqual(paramsOf(form({ method: "GET" }, chosen(1)), fine), { method: "POST" })
})

test("what is no JSON is said at its field", () => {
  const wrong = []
  assert.equal(paramsOf(form({ headers: {} }, field("headers", "map", "{}", "{a")), ({ name }) => wrong.push(name)), null)
  assert.deepEqual(wrong, ["params.headers"])
})
