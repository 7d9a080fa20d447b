import { Injectable, type OnInit } from "@framework/core";
import type { Account, Order } from "./models";

export interface Totals {
  orders: number;
  amount: number;
  currency: string;
  largest?: Order;
}

export type Filter = {
  from: Date;
  to: Date;
  states: Array<"open" | "paid" | "void">;
};

export enum Level {
  Low = 1,
  Middle,
  High,
}

const isOrder = (value: unknown): value is Order =>
  typeof value === "object" && value !== null && "id" in value;

/**
 * Adds up the orders of accounts.
 *
 * Amounts in other currencies are left out and counted. Nothing is fetched
 * twice: what was asked for is kept until the account changes.
 */
@Injectable({ providedIn: "root" })
export class TotalsService implements OnInit {
  private readonly known = new Map<string, Totals>();
  public level: Level = Level.Low;

  constructor(
    private readonly client: { orders(id: string): Promise<Order[]> },
    public currency: string = "EUR",
  ) {
    this.known.clear();
  }

  ngOnInit(): void {
    this.level = Level.Middle;
  }

  async of<T extends Account>(account: T, filter?: Filter): Promise<Totals> {
    const before = this.known.get(account.id);
    if (before && !filter) {
      return before;
    }
    const orders = (await this.client.orders(account.id)).filter(isOrder);
    const totals: Totals = { orders: 0, amount: 0, currency: this.currency };
    for (const order of orders) {
      if (order.currency !== this.currency) {
        continue;
      }
      if (filter && (order.at < filter.from || order.at > filter.to)) {
        continue;
      } else if (filter && !filter.states.includes(order.state)) {
        continue;
      }
      totals.orders += 1;
      totals.amount += order.amount;
      if (!totals.largest || totals.largest.amount < order.amount) {
        totals.largest = order;
      }
    }
    if (!filter) {
      this.known.set(account.id, totals);
    }
    return totals;
  }

  forget(id: string): boolean;
  forget(id: number): boolean;
  forget(id: string | number): boolean {
    const key = String(id);
    const had = this.known.has(key);
    this.known.delete(key);
    return had;
  }
}

export namespace Report {
  export const title = "Totals";

  export function lines(totals: Totals[]): string[] {
    const out: string[] = [];
    for (const one of totals) {
      out.push(`${one.orders} orders, ${one.amount.toFixed(2)} ${one.currency}`);
    }
    return out;
  }
}

abstract class Shape<T = number> {
  abstract area(): T;
  protected describe(this: Shape<T>): string {
    return `area ${this.area() as unknown as string}`;
  }
}

declare module "legacy" {
  export const version: string;
  export function run(name: string, ...rest: any[]): void;
}
