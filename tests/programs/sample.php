<?php

declare(strict_types=1);

namespace Example\Parts;

use Example\Errors\NoPart;
use InvalidArgumentException;

const LIMIT = 32;

interface Named
{
    public function name(): string;
}

/**
 * Reads parts of files and remembers them.
 *
 * The oldest part leaves when there are too many of them. What is asked for
 * again stays longer.
 *
 * @package Example
 */
final class Reader implements Named
{
    use Counting;

    private array $parts = [];
    private static int $made = 0;

    public function __construct(private string $root, private int $limit = LIMIT)
    {
        self::$made++;
        $this->parts = [];
    }

    public function name(): string
    {
        return 'reader of ' . $this->root;
    }

    /**
     * A part of a file.
     *
     * @throws NoPart
     */
    public function read(string $name, int $start, int $end): ?string
    {
        $key = "{$name}:{$start}-{$end}";
        if (isset($this->parts[$key])) {
            return $this->parts[$key];
        } elseif ($name === '') {
            throw new InvalidArgumentException('no name');
        } else {
            $this->count();
        }

        try {
            $file = fopen($this->root . '/' . $name, 'rb');
            fseek($file, $start);
            $this->parts[$key] = fread($file, $end - $start);
        } catch (\ErrorException $error) {
            error_log($error->getMessage());
            return null;
        } finally {
            while (count($this->parts) > $this->limit) {
                array_shift($this->parts);
            }
        }
        return $this->parts[$key];
    }
}

function kindOf(string $name): string
{
    $kinds = [
        'js' => 'script',
        'mjs' => 'script',
        'ts' => 'script',
        'css' => 'style',
        'scss' => 'style',
        'html' => 'page',
        'htm' => 'page',
        'png' => 'image',
        'jpg' => 'image',
        'svg' => 'image',
        'woff' => 'font',
        'ttf' => 'font',
        'json' => 'data',
    ];
    switch (pathinfo($name, PATHINFO_EXTENSION)) {
        case '':
            return 'none';
        case 'map':
        case 'lock':
            return 'made';
        default:
            break;
    }
    foreach ($kinds as $ending => $kind) {
        if (str_ends_with($name, $ending)) {
            return $kind;
        }
    }
    $shown = function (string $text) use ($name): string {
        $bare = trim($text);
        return "<{$bare}> of {$name}";
    };
    return $shown('other');
}
?>
<ul>
<?php foreach (['a.js', 'b.css'] as $name): ?>
  <li><?= kindOf($name) ?></li>
<?php endforeach; ?>
</ul>
