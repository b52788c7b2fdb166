// The official Node SDK on a running system: `node smoke.js ENDPOINT SECRET_ID SECRET_KEY REGION BUCKET METHOD`.
// Writes one line of JSON with what each call answered, or the code it was refused with.
const { mps } = require("tencentcloud-sdk-nodejs-mps")

const [endpoint, secretId, secretKey, region, bucket, reqMethod] = process.argv.slice(2)
const client = (key) =>
  new mps.v20190612.Client({
    credential: { secretId, secretKey: key },
    region,
    profile: { httpProfile: { endpoint, protocol: "http://", reqMethod } },
  })

const schedule = {
  ScheduleName: `节点_node-${reqMethod}`,
  Trigger: { Type: "CosFileUpload", CosFileUploadTrigger: { Bucket: bucket, Region: region, Dir: "/node sdk+%/" } },
  Activities: [
    { ActivityType: "input", ReardriveIndex: [1] },
    {
      ActivityType: "action-samplesnapshot",
      ReardriveIndex: [2],
      ActivityPara: { SampleSnapshotTask: { Definition: 10 } },
    },
    { ActivityType: "output" },
  ],
}

async function code(call) {
  try {
    await call
    return "no error"
  } catch (error) {
    return error.code
  }
}

async function main() {
  const sdk = client(secretKey)
  const made = await sdk.CreateSchedule(schedule)
  const id = { ScheduleId: made.ScheduleId }
  await sdk.EnableSchedule(id)
  const listed = await sdk.DescribeSchedules({ ScheduleIds: [made.ScheduleId] })
  const refused = await code(sdk.DeleteSchedule(id))
  await sdk.DisableSchedule(id)
  await sdk.DeleteSchedule(id)
  return {
    status: listed.ScheduleInfoSet[0].Status,
    name: listed.ScheduleInfoSet[0].ScheduleName,
    dir: listed.ScheduleInfoSet[0].Trigger.CosFileUploadTrigger.Dir,
    before: listed.ScheduleInfoSet[0].Activities.map((activity) => activity.PredriveIndex),
    left: (await sdk.DescribeSchedules({ ScheduleIds: [made.ScheduleId] })).TotalCount,
    refused,
    unknown: await code(sdk.DescribeTaskDetail({ TaskId: "nobody" })),
    wrongKey: await code(client("wrong").DescribeSchedules({})),
  }
}

main().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error)
    process.exit(1)
  }
)
