// Places orders as the customers of a shop do, for k6: `k6 run loadtest/orders.js`. Each run is one phase.
//
//   ORDERFLOW_URL       where the Order Service is                          http://127.0.0.1:8080
//   ORDERFLOW_API_KEY   a key with orders:write and orders:read, if one is asked for
//   PHASE               steady, ramp, spike or soak                         steady
//   SECONDS             how long it lasts                                   60
//   RATE                orders a second; where ramp and spike begin         100
//   TOP_RATE            orders a second where ramp and spike have their top
//   P95_MS              bound for the 95th percentile at RATE; 0: how fast it is does not matter   100
//   EACH                "on" logs a line for each order: when (Unix ms), the answer's time (ms), the status, the id;
//                       "-" in place of the id if no order was made, "?" if that is not known
//
// The load is open: an order is due when its time has come, whatever the answers before it do.

import http from "k6/http";
import { check, sleep } from "k6";
import exec from "k6/execution";

const URL = __ENV.ORDERFLOW_URL || "http://127.0.0.1:8080";
const PHASE = __ENV.PHASE || "steady";
const SECONDS = Number(__ENV.SECONDS || 60);
const RATE = Number(__ENV.RATE || 100);
const TOP_RATE = Number(__ENV.TOP_RATE || (PHASE === "ramp" ? 3000 : 1000));
const P95_MS = Number(__ENV.P95_MS || 100);
const EACH = __ENV.EACH === "on";

const CUSTOMERS = 20000;
const PRODUCTS = 5000;
const ITEMS = [1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5]; // how many an order has: few
const WITH_KEY = 0.9;
const REPEATED = 0.02; // the client did not get the answer, and sends the same order with the same key
const CANCELLED = 0.01;
const HELD = 0.005;
const HOLD_S = 2;
const LOOKED_AT = 0.05;

const steady = {
    executor: "constant-arrival-rate", rate: RATE, timeUnit: "1s", duration: `${SECONDS}s`,
    preAllocatedVUs: 200, maxVUs: 600,
};
const rising = (stages) => ({
    executor: "ramping-arrival-rate", startRate: RATE, timeUnit: "1s", stages,
    preAllocatedVUs: 300, maxVUs: 600,
});
const part = (share) => `${Math.max(1, Math.round(SECONDS * share))}s`;
const PHASES = {
    steady,
    soak: steady,
    ramp: rising([{ target: TOP_RATE, duration: part(1) }]),
    spike: rising([
        { target: RATE, duration: part(0.25) },
        { target: TOP_RATE, duration: "0s" },
        { target: TOP_RATE, duration: part(0.25) },
        { target: RATE, duration: "0s" },
        { target: RATE, duration: part(0.5) },
    ]),
};
// A ramp goes beyond what the service can take: there, a refusal that says when to come back is a right answer.
const MAY_REFUSE = PHASE === "ramp" || PHASE === "spike";
const AT_RATE = P95_MS === 0 ? {} : { "http_req_duration{name:place}": [`p(95)<${P95_MS}`], dropped_iterations: ["count<1"] };

export const options = {
    scenarios: { [PHASE]: PHASES[PHASE] },
    thresholds: {
        checks: ["rate>0.999"],
        http_req_failed: ["rate<0.001"],
        ...(MAY_REFUSE ? {} : AT_RATE),
    },
    summaryTrendStats: ["avg", "min", "med", "p(95)", "p(99)", "max"],
    systemTags: ["name", "status", "expected_response"],
};

const HEADERS = {
    "Content-Type": "application/json",
    ...(__ENV.ORDERFLOW_API_KEY ? { Authorization: `Bearer ${__ENV.ORDERFLOW_API_KEY}` } : {}),
};
const PLACE = {
    tags: { name: "place" },
    responseCallback: http.expectedStatuses(...(MAY_REFUSE ? [201, 503] : [201])),
};
const ACTION = { tags: { name: "action" }, headers: HEADERS, responseCallback: http.expectedStatuses(200, 409) };
const READ = { tags: { name: "read" }, headers: HEADERS };

// A word for the keys of this run, the same in all of k6's VUs.
export function setup() {
    return `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
}


// Few customers and products have most of the orders: the smaller the number, the more often it comes.
const popular = (count) => Math.floor(count * Math.random() ** 3);
const chance = (share) => Math.random() < share;

function order() {
    const customer = popular(CUSTOMERS);
    const items = Array.from({ length: ITEMS[Math.floor(Math.random() * ITEMS.length)] }, () => {
        const product = popular(PRODUCTS);
        return {
            productId: `product-${product}`,
            quantity: chance(0.8) ? 1 : 1 + Math.floor(Math.random() * 12),
            unitPrice: { amountMinor: 199 + ((product * 137) % 20000), currency: "EUR" },
        };
    });
    const name = `Customer ${customer}`;
    return JSON.stringify({
        customer: { customerId: `customer-${customer}`, name },
        items,
        shipTo: {
            name, lines: [`Lange Strasse ${1 + (customer % 200)}`], city: "Hamburg", postalCode: "20095", country: "DE",
        },
    });
}

function made(placed) {
    if (placed.status === 201) return placed.headers.Location.slice(-36);
    return placed.status === 0 || (placed.status >= 500 && !refusedForSure(placed)) ? "?" : "-";
}

// Every 503 but one says that nothing was written.
function refusedForSure(answer) {
    return answer.status === 503 && !answer.body.includes("outcome-unknown");
}

function refusedPolitely(answer) {
    return MAY_REFUSE && answer.status === 503 && answer.headers["Retry-After"] !== undefined;
}

export default function (run) {
    const headers = { ...HEADERS };
    if (chance(WITH_KEY)) headers["Idempotency-Key"] = `${run}-${exec.scenario.iterationInTest}`;
    const body = order();
    const began = Date.now();
    const placed = http.post(`${URL}/api/orders`, body, { ...PLACE, headers });
    const place = placed.headers.Location;
    if (EACH) console.log(`${began} ${placed.timings.duration.toFixed(2)} ${placed.status} ${made(placed)}`);
    check(placed, { "the order is taken": (answer) => answer.status === 201 || refusedPolitely(answer) });
    if (placed.status !== 201) return;
    const orderUrl = URL + place.slice(place.indexOf("/api/"));
    if (headers["Idempotency-Key"] && chance(REPEATED)) repeat(body, headers, placed);
    if (chance(LOOKED_AT)) {
        check(http.get(orderUrl, READ), { "the order is there": (answer) => answer.status === 200 });
    }
    if (chance(CANCELLED)) act(orderUrl, "cancel");
    else if (chance(HELD) && act(orderUrl, "hold").status === 200) {
        sleep(HOLD_S);
        check(act(orderUrl, "release"), { "what was held is released": (answer) => answer.status === 200 });
    }
}

function repeat(body, headers, placed) {
    const again = http.post(`${URL}/api/orders`, body, { ...PLACE, tags: { name: "repeat" }, headers });
    check(again, {
        "the same key is the same order": (answer) =>
            refusedPolitely(answer) ||
            (answer.status === 201 && answer.body === placed.body && answer.headers["Idempotent-Replayed"] === "true"),
    });
}

// An order may have gone too far already: then the answer says so.
function act(orderUrl, action) {
    const answer = http.post(`${orderUrl}/${action}`, null, ACTION);
    check(answer, { [`${action}: done, or too late`]: () => answer.status === 200 || answer.status === 409 });
    return answer;
}
