/** `holdfast schema`: the JSON Schema of holdfast.yaml, made from the parser's own definition, for editors and checks. */
import { jsonSchema } from "@holdfast/agent/config/shape.ts";
import { EXIT } from "@holdfast/api/schema.ts";
import type { Context } from "./command.ts";

export function schema(context: Context): number {
  context.print(JSON.stringify(jsonSchema(), undefined, 2));
  return EXIT.done;
}
