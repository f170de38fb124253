import t from 'tap';
t.test('runs on Node 24', async (t) => {
  t.match(process.version, /^v24/);
  const x: number = 1;
  t.equal(x, 1);
});
