"""The grammar of Midjourney: what a message of its bot and a prompt say. Pure, in linear time."""
