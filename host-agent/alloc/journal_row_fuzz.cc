// A journal's file whose row holds anything: it is read, or refused as damaged; and what is read is written
// and read again as it is.
//
// An input is lines, each a letter for a column of the table of claims and what that one is to hold: a text,
// a number, or NULL if nothing follows the letter. What the table's own constraints refuse is passed over.

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "common/sys/files.h"
#include "host-agent/alloc/sqlite_journal.h"

namespace {

void Check(bool holds) {
  if (!holds) std::abort();
}

xpu::ClaimRow ARow() {
  xpu::ClaimRow row;
  row.function = xpu::PciAddress{0, 3, 0, 2};
  row.card = "card0";
  row.port = "host0-0";
  row.host_ifname = "p0v0";
  row.attachment = xpu::Attachment{.container_id = "c", .ifname = "net1"};
  return row;
}

struct Column {
  std::string name;
  bool is_text = false;
};

// A file with one row, and the columns of its table.
class File {
 public:
  File() {
    {
      auto journal = xpu::SqliteJournal::Open(path());
      Check(journal.ok() && (*journal)->Begin(ARow()).ok());
    }
    // Closed, so that all of it is in the one file.
    original_ = *xpu::ReadFile(path());
  }
  std::string path() const { return folder_.path() + "/journal.db"; }

  // As it was at first, but for what `lines` says.
  void Fill(absl::string_view lines) {
    Check(xpu::WriteFileAtomic(path(), original_).ok());
    sqlite3* database = nullptr;
    Check(sqlite3_open(path().c_str(), &database) == SQLITE_OK);
    const std::vector<Column> columns = Columns(database);
    for (absl::string_view line : absl::StrSplit(lines, '\n', absl::SkipEmpty())) {
      const Column& column = columns[static_cast<uint8_t>(line[0] - 'A') % columns.size()];
      line.remove_prefix(1);
      sqlite3_stmt* statement = nullptr;
      const std::string sql = absl::StrCat("UPDATE claims SET ", column.name, " = ?1");
      Check(sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
      int64_t number = 0;
      if (!line.empty() && column.is_text) {
        sqlite3_bind_text(statement, 1, line.data(), static_cast<int>(line.size()), SQLITE_STATIC);
      } else if (absl::SimpleAtoi(line, &number)) {
        sqlite3_bind_int64(statement, 1, number);
      }
      sqlite3_step(statement);
      sqlite3_finalize(statement);
    }
    sqlite3_close(database);
  }

 private:
  static std::vector<Column> Columns(sqlite3* database) {
    std::vector<Column> columns;
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(database, "SELECT name, type FROM pragma_table_info('claims')", -1, &statement,
                             nullptr) == SQLITE_OK);
    while (sqlite3_step(statement) == SQLITE_ROW) {
      const auto* name = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
      const auto* type = reinterpret_cast<const char*>(sqlite3_column_text(statement, 1));
      columns.push_back({name, absl::string_view(type) == "TEXT"});
    }
    sqlite3_finalize(statement);
    Check(!columns.empty());
    return columns;
  }

  xpu::TemporaryDirectory folder_ = *xpu::TemporaryDirectory::Make();
  std::string original_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static File file;
  file.Fill(absl::string_view(reinterpret_cast<const char*>(data), size));
  auto journal = xpu::SqliteJournal::Open(file.path());
  if (!journal.ok()) {
    Check(absl::IsDataLoss(journal.status()));
    return 0;
  }
  const auto rows = (*journal)->Load();
  Check(rows.ok() && rows->size() == 1);
  Check((*journal)->Write(rows->front()).ok());
  const auto again = (*journal)->Load();
  Check(again.ok() && *again == *rows);
  return 0;
}
