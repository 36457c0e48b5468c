// Failures as problem documents (RFC 9457), and input checked against a schema.

const SITUATIONS = {
  invalid_request: [422, "Something in the request is not allowed."],
  unknown_sku: [422, "The shop has no such SKU for sale."],
  quantity_limit: [422, "A line holds at most 999 of a product."],
  invalid_credentials: [401, "The mail address or the password is wrong."],
  not_found: [404, "There is nothing here."],
  cart_busy: [409, "So many others change this cart that this change found no gap; try again."],
  currency_mismatch: [409, "All lines of a cart are in one currency."],
  insufficient_stock: [409, "There is not enough of this in stock."],
  line_limit: [409, "A cart holds at most 100 lines."],
  too_large: [413, "The body is too large."],
  unsupported_media_type: [415, "The body must be JSON."],
  internal: [500, "The service failed; the request id leads to the reason in its log."],
};

export class Problem extends Error {
  constructor(code, { status, detail, ...members } = {}) {
    const [usualStatus, title] = SITUATIONS[code];
    super(detail ?? title);
    this.status = status ?? usualStatus;
    this.code = code;
    this.title = title;
    this.members = members;
  }

  static at(pointer, detail, code = "invalid_request") {
    return new Problem(code, { detail, errors: [{ pointer, detail }] });
  }
}

/** The value as the schema has it; throws a Problem with a pointer to each fault. `place` is "#" for the body. */
export function check(schema, value, place = "#") {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => {
    const pointers = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    return pointers.map((path) => ({ pointer: [place, ...path].join("/"), detail: issue.message }));
  });
  throw new Problem("invalid_request", { detail: errors.map((error) => error.detail).join("; "), errors });
}

/** The body as the schema has it. */
export function checkBody(schema, req) {
  if (!req.is("json") && !req.is("+json")) throw new Problem("unsupported_media_type");
  return check(schema, req.body);
}

// Express tells a handler of errors by its four parameters.
export function answerProblem(error, req, res, _next) {
  const problem = translate(error);
  if (problem.status === 500) console.error(req.id, error);
  if (problem.status === 401) res.set("WWW-Authenticate", "Bearer");
  const { status, code, title, message: detail, members } = problem;
  const type = `https://trolley.example/problems/${code}`;
  res
    .status(status)
    .type("application/problem+json")
    .send(JSON.stringify({ type, title, status, code, detail, instance: req.id, ...members }));
}

function translate(error) {
  if (error instanceof Problem) return error;
  if (error.type === "entity.parse.failed") {
    return new Problem("invalid_request", { status: 400, detail: "The body is not JSON." });
  }
  if (error.type === "entity.too.large") return new Problem("too_large");
  return new Problem("internal");
}
