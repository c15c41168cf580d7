// The one entry: everything public.

export type { AuthData, TokenSource } from './api/auth.ts';
export type { OnComplete } from './api/callbacks.ts';
export { Firebase, Firebase as default, type PushReference } from './api/firebase.ts';
export type { OnDisconnect } from './api/on-disconnect.ts';
export type { CancelCallback, EventCallback, Query } from './api/query.ts';
export type { DataSnapshot } from './api/snapshot.ts';
export type { OnTransaction, TransactionResult } from './api/transaction.ts';
export type { EventType } from './core/view.ts';
