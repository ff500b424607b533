module.exports = { source: () => undefined };
