"""Saves of carts in MongoDB, grouped: one unordered `update` of many compare-and-sets, each told its own outcome."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

import pymongo
from bson import ObjectId
from pymongo.errors import AutoReconnect, ExecutionTimeout, NetworkTimeout, OperationFailure, WriteError

from carts.cart import Cart
from carts.stores.batches import Batches, Observe
from carts.stores.record import to_texts
from shopkit.errors import RecordChanged, Unavailable
from shopkit.mongo import CALL_SECONDS, PASSING_CODES, Database, Mongo

SAVES_AT_ONCE = 256
# After so long one save is taken to hold up its batch; its cart then goes alone for a while.
BATCH_SECONDS = 1.0
ALONE_SECONDS = 60.0
# A record keeps the ids of its last saves, each in the slot of its version: see `_is_made_by`.
SLOTS = 8
SLOT_NAMES = [f"save_ids.{number}" for number in range(SLOTS)]

Outcome = Exception | None
Reply = Mapping[str, Any]


class Save(NamedTuple):
    """The next version of a cart: what MongoDB is to set."""

    cart_id: str
    version: int
    members: dict[str, Any]


class HoldsUpOthers(Exception):
    """This save must go alone, and as what it was: under the id of its batch, with which it may have been done."""

    def __init__(self, batch_id: ObjectId) -> None:
        self.batch_id = batch_id


class TooManySince(Unavailable, code="unavailable"):
    """So many have changed the cart since that it cannot be told whether this was kept."""


class Saves:
    """Saves carts; all that come while a round trip is under way share the next one."""

    def __init__(self, mongo: Mongo, observe_size: Observe) -> None:
        self._mongo = mongo
        self._batches: Batches[Save, None] = Batches(self._save, SAVES_AT_ONCE, observe_size)
        self._alone_until: dict[str, float] = {}
        self.close = self._batches.close

    async def save(self, cart: Cart) -> None:
        """Keeps the cart's next version. RecordChanged unless the one before it is what is kept now."""
        save = Save(cart.id, cart.version, changing_members(cart))
        if cart.id not in self._alone_until:
            try:
                size = len(save.members["record"]) + len(save.members.get("base", ""))
                return await self._batches.do(save, size)
            except HoldsUpOthers as held:
                return await self._save_alone(save, held.batch_id, is_first=False)
        return await self._save_alone(save, ObjectId(), is_first=True)

    async def _save_alone(self, save: Save, save_id: ObjectId, *, is_first: bool) -> None:
        moment = asyncio.get_running_loop().time()
        self._alone_until.setdefault(save.cart_id, moment + ALONE_SECONDS)
        self._alone_until = {cart_id: until for cart_id, until in self._alone_until.items() if until > moment}
        async with self._mongo.call("save") as database:
            sent = {save.cart_id: save}
            outcomes = await _round_trip(database, sent, save_id, CALL_SECONDS, is_first=is_first)
        outcome = outcomes[save.cart_id]
        if outcome is not None:
            raise outcome

    async def _save(self, saves: list[Save]) -> list[Outcome]:
        # Of saves of one cart only one can be what comes next. One goes out, so that the batch's id and the cart's
        # tell a save; the others begin again.
        sent = {save.cart_id: save for save in saves}
        batch_id = ObjectId()
        async with self._mongo.call("save") as database:
            try:
                outcomes = await _round_trip(database, sent, batch_id, BATCH_SECONDS, is_first=True)
            except (ExecutionTimeout, NetworkTimeout):
                outcomes = await _without_the_slow(database, sent, batch_id)
            except OperationFailure as error:
                # Some may be kept: sent again under another id they would be taken for somebody else's.
                raise Unavailable("It is not known what was kept.") from error
        return [outcomes[save.cart_id] if sent[save.cart_id] is save else RecordChanged() for save in saves]


async def _round_trip(
    database: Database, sent: dict[str, Save], batch_id: ObjectId, seconds: float, *, is_first: bool
) -> dict[str, Outcome]:
    """Sends a batch, and tells what became of each save. `is_first`: nothing of it was sent before."""
    reply, is_repeated = await _send(database, list(sent.values()), batch_id, seconds)
    if reply["n"] == len(sent):
        return dict.fromkeys(sent)
    faults = {fault["index"]: fault for fault in reply.get("writeErrors", ())}
    records = await _find_ids(database, sent)
    outcomes = {
        save.cart_id: _outcome(save, batch_id, records.get(save.cart_id, {}), faults.get(index))
        for index, save in enumerate(sent.values())
    }
    if is_first and not is_repeated:
        _settle(outcomes, reply["n"])
    return outcomes


def _settle(outcomes: dict[str, Outcome], done: int) -> None:
    """Of those no record tells of any more: none was done if all the `done` are known, all were if they are missing."""
    unsure = [cart_id for cart_id, outcome in outcomes.items() if isinstance(outcome, TooManySince)]
    missing = done - sum(outcome is None for outcome in outcomes.values())
    if missing == 0:
        outcomes |= {cart_id: RecordChanged() for cart_id in unsure}
    elif missing == len(unsure):
        outcomes |= dict.fromkeys(unsure)


async def _send(database: Database, saves: list[Save], batch_id: ObjectId, seconds: float) -> tuple[Reply, bool]:
    """The answer to the batch, and whether it is the second.

    The batch goes out once more if the first answer is lost: what is done already does not match again.
    """
    elements = [
        {
            "q": {"_id": save.cart_id, "version": save.version - 1},
            "u": {"$set": {**save.members, SLOT_NAMES[save.version % SLOTS]: batch_id}},
        }
        for save in saves
    ]
    # Not bulk_write: it costs a third more, and its way to repeat has the server note every element.
    concern = database.write_concern.document
    command = {"update": "carts", "ordered": False, "updates": elements, "writeConcern": concern}
    try:
        with pymongo.timeout(seconds):
            return await _answer(database, command), False
    except NetworkTimeout:
        raise
    except AutoReconnect:
        return await _answer(database, command), True


async def _answer(database: Database, command: dict[str, Any]) -> Reply:
    # A copy, as the driver puts members of its own into what it is given.
    reply: Reply = await database.command({**command})
    if "writeConcernError" in reply:
        # Written, but not on a majority that is known of. To send it again waits for that, as after a lost answer.
        raise AutoReconnect(reply["writeConcernError"]["errmsg"])
    return reply


async def _without_the_slow(database: Database, sent: dict[str, Save], batch_id: ObjectId) -> dict[str, Outcome]:
    """Finishes a batch that is held up: a cart in somebody's transaction cannot be written before that ends.

    MongoDB takes the saves in their order, so the first that is not done is the one; it must go alone.
    """
    records = await _find_ids(database, sent)
    undone = {
        cart_id: save for cart_id, save in sent.items() if not _is_made_by(batch_id, save, records.get(cart_id, {}))
    }
    outcomes: dict[str, Outcome] = dict.fromkeys(sent.keys() - undone.keys())
    if undone:
        slow = next(iter(undone))
        del undone[slow]
        outcomes[slow] = HoldsUpOthers(batch_id)
    if undone:
        outcomes |= await _round_trip(database, undone, batch_id, CALL_SECONDS, is_first=False)
    return outcomes


async def _find_ids(database: Database, sent: dict[str, Save]) -> dict[str, Reply]:
    wanted = database["carts"].find({"_id": {"$in": list(sent)}}, {"version": 1, "save_ids": 1})
    return {record["_id"]: record for record in await wanted.to_list()}


def _is_made_by(batch_id: ObjectId, save: Save, record: Reply) -> bool:
    """Whether the save's version is of this batch's making.

    Another replica may have saved on top of it before this was asked. So a record keeps not one id but the last few,
    each in the slot that its version has: whose id stands there made that version, until the slot's next turn.
    """
    return bool(record.get("save_ids", {}).get(str(save.version % SLOTS)) == batch_id)


def _outcome(save: Save, batch_id: ObjectId, record: Reply, fault: Reply | None) -> Outcome:
    if _is_made_by(batch_id, save, record):
        return None
    if fault is not None:
        if fault["code"] in PASSING_CODES:
            return Unavailable(f"MongoDB does not take this just now: code {fault['code']}.")
        return WriteError(fault["errmsg"], fault["code"], dict(fault))
    if record.get("version", 0) >= save.version + SLOTS:
        return TooManySince()
    return RecordChanged()


def changing_members(cart: Cart) -> dict[str, Any]:
    """What a save sets: everything but who opens the cart, which never changes, and the base, unless it is anew."""
    texts = to_texts(cart)
    return {
        "version": cart.version,
        "is_open": cart.is_open,
        "expires_at": cart.expires_at,
        "record": texts.record,
        **({} if texts.base is None else {"base": texts.base}),
    }
